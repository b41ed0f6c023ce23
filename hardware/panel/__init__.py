"""What the hand touches and the eye sees: button, light, keyboard.

The only room that knows gpiozero. Imported by commands, screen and ``open_devices``. Doors: ``gpio.GpioButton``,
``gpio.GpioLight``, ``keyboard.KeyboardButton``, ``rhythm``.
"""
