f() { return $1; }; f 3; echo $?; f 0 && echo ok; g() { false; }; g; echo $?; h() { return; }; false; h; echo $?
