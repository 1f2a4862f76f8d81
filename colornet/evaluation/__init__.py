"""How good are the colours?"""
