"""Numbers to numbers: Lab, gamut, bins, hints."""
