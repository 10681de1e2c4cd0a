umask; umask 077; touch f; stat -c %a f; umask -S; umask u=rwx,go=rx; umask; mkdir d; stat -c %a d
