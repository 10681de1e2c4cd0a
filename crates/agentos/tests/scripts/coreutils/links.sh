echo a > f; ln f g; ln -s f s; readlink s; stat -c %h f; ln f g; echo $?; ln -sf g s; readlink s; ln -s d/none b; cat b; echo $?; readlink -f s | sed 's|.*/||'; realpath --relative-to=. g
