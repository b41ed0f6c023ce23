"""The box's panel: button, light, and a keyboard in their place.

The only room that uses gpiozero. Imported by commands, screen and ``open_devices``. Doors: ``gpio.GpioButton``,
``gpio.GpioLight``, ``keyboard.KeyboardButton``, ``rhythm``.
"""
