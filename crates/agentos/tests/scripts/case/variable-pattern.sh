p='a|b'; case 'a|b' in $p) echo lit;; esac
p='[ab]'; case b in $p) echo class;; esac; case b in "$p") ;; *) echo quoted;; esac
