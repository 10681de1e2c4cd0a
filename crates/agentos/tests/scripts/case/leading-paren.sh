case x in (x) echo paren;; (y|z) echo no;; esac
