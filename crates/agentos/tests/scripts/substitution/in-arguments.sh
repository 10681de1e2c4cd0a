printf '[%s]' "$(echo a)"b$(echo c)"$(echo 'd e')"; echo
