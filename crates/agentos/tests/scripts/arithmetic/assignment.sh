x=5
(( x+=3 )); echo $x; (( x*=2 )); echo $x; (( x-=6, x/=2 )); echo $x
(( x<<=3, x|=1 )); echo $x; (( y = x % 7 )); echo $y
