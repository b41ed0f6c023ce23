"""What the hand touches and the eye sees: button, light, keyboard.

The only room that knows gpiozero. Imported by ``open_devices`` and commands. Doors: ``gpio.GpioButton``,
``gpio.GpioLight``, ``keyboard.KeyboardButton``, ``rhythm``.
"""
