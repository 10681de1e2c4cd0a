> created; [ -e created ] && echo yes; < none; echo $?
