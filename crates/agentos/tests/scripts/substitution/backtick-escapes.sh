echo `echo \$HOME | sed s/./x/` `echo a\\\\b` "`echo "q"`"
