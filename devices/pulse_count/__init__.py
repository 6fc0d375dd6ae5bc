"""Light beams, mats and turnstiles on the modem lines of a serial port. See README.md."""
