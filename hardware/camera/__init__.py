"""Cameras.

The only room that uses picamera2. Imported by ``open_devices``. Door: ``picamera.PiCamera``.
"""
