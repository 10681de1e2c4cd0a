printf 'hello world' | base64; printf aGVsbG8= | base64 -d; echo; head -c 100 /dev/zero | base64 | head -1; seq 50 | base64 -w 40 | head -2; printf '%s' '!!' | base64 -d; echo $?; echo hi | base32
