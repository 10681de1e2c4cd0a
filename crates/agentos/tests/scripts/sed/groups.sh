echo 'john smith' | sed 's/\(.*\) \(.*\)/\2, \1/'; echo a1b22 | sed -E 's/([a-z])([0-9]+)/\2\1/g'; echo aaa | sed 's/a*/x/'; echo abc | sed 's/b/\n/'; echo 'hello' | sed -E 's/(.)/\U\1/; s/l+$/\L&/'
