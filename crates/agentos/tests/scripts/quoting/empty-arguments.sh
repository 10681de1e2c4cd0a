f() { echo $#; }
f "" '' $'' ; f "$undefined" ; f $undefined
