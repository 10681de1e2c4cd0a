touch f; chmod 755 f; stat -c '%a %A' f; chmod u-w,g+w,o= f; stat -c %a f; chmod a+x f; stat -c %a f; chmod g=u f; stat -c %a f; chmod +t f; stat -c %a f; mkdir d; chmod -R 700 d; stat -c %a d
