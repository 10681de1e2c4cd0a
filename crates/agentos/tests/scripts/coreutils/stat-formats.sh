umask 022; printf abc > f; stat -c '%n %s %a %F %h' f; mkdir d; stat -c '%F' d; ln -s f l; stat -c '%F %N' l; stat -L -c %s l; stat none; echo $?; du -b f | cut -f1
