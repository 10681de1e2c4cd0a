echo `echo a \`echo b\` c`
echo "`echo "quoted inside"`"
