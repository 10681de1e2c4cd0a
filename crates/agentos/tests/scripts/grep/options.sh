printf 'x\ny\nx z\n' > f; cp f g; grep -l x f g; grep -L q f; grep -h x f g; grep -H y f; grep -m1 x f; grep -e x -e y -c f; grep -F '.' f; echo $?; printf 'x\n' > p; grep -f p f
