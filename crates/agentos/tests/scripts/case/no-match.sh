case x in y) echo y;; esac; echo $?
false; case x in x) ;; esac; echo $?
