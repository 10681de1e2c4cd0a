printf '%(%Y-%m-%d %H:%M:%S)T\n' 0 86400
