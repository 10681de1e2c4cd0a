printf 'a\tb\nc\\d\x41\101\n'; printf '%b\n' 'x\ty' 'stop\c' never; echo
