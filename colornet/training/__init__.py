"""Networks learn."""

from colornet.quiet import start_keras

start_keras()
