printf 'one\ntwo\n' > f; echo "$(<f)" $(< f)
