echo a # comment
echo b#not '#' \# "#"
# whole line
echo c;# after semicolon
