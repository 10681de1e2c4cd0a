x='*'; case $x in '*') echo star;; *) echo any;; esac
case 'a b' in a\ b) echo sp;; esac; case x in "x") echo q;; esac
