mkdir -p d/e; ln -s d/e l; touch d/e/f; cd d; realpath --relative-to=.. ../l/f; readlink ../l; readlink e; echo $?; realpath none/x; echo $?; realpath -m --relative-to=. none/../x
