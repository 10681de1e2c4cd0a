printf 's/a/1/\ns/b/2/\n' > s; echo ab | sed -f s; echo ab | sed -e s/a/x/ -e s/b/y/; echo abc | sed 's/a/A/;s/c/C/'; echo x > f; echo y > g; sed -s -n '$p' f g; sed -n '$=' f g
