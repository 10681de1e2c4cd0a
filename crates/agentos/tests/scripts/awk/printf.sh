awk 'BEGIN{printf "%5.2f|%-5s|%03d|%x|%c|%e\n", 3.14159, "ab", 7, 255, 65, 12345.678}'; echo 3 4 | awk '{printf "%d*%d=%d\n", $1, $2, $1*$2}'
