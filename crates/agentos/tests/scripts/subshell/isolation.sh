x=1; (x=2; cd /; echo $x); echo $x; pwd | sed 's/.*/same/'
