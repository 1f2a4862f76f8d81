"""What a wheel holds: the package, and the released weights of saved_models/ inside it."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["colornet", "colornet.*"]), "colornet.saved_models"],
    package_dir={"colornet.saved_models": "saved_models"},
    package_data={
        "colornet": ["**/*.md", "**/*.webp", "web/static/**/*", "web/*.json"],
        "colornet.saved_models": ["*/*"],
    },
)
