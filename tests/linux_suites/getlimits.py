#!/usr/bin/python3
"""Prints the limits of C's types as variables of the shell, which the tests of coreutils ask a program for that is not installed."""

import ctypes
import struct

SIGNED = {'CHAR': 'b', 'SCHAR': 'b', 'SHRT': 'h', 'INT': 'i', 'LONG': 'l', 'SSIZE': 'n', 'TIME_T': 'l', 'PID_T': 'i', 'OFF_T': 'q', 'INTMAX': 'q'}
UNSIGNED = {'UCHAR': 'B', 'UINT': 'I', 'ULONG': 'L', 'SIZE': 'N', 'UID_T': 'I', 'GID_T': 'I', 'UINTMAX': 'Q'}

for name, kind in {**SIGNED, **UNSIGNED}.items():
    bits = 8 * struct.calcsize(kind)
    low, high = (-1 << bits - 1, (1 << bits - 1) - 1) if name in SIGNED else (0, (1 << bits) - 1)
    print(f'{name}_MAX={high}\n{name}_OFLOW={high + 1}')
    if low:
        print(f'{name}_MIN={low}\n{name}_UFLOW={low - 1}')
print('FLT_MIN=1.17549435e-38\nFLT_MAX=3.40282347e+38')
print('DBL_MIN=2.2250738585072014e-308\nDBL_MAX=1.7976931348623157e+308')
if ctypes.sizeof(ctypes.c_longdouble) == 16:
    print('LDBL_MIN=3.3621031431120935063e-4932\nLDBL_MAX=1.189731495357231765e+4932')
