"""Cameras.

The only room that knows picamera2. Imported by ``open_devices``. Door: ``picamera.PiCamera``.
"""
