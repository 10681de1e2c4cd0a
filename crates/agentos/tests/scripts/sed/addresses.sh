seq 6 | sed -n '2,4p'; seq 6 | sed '2d'; seq 6 | sed '$d'; seq 6 | sed -n '0~2p'; seq 6 | sed '/3/,/5/d'; seq 6 | sed -n '/4/,$p'; seq 6 | sed '2!d'; seq 6 | sed -n '2,+2p'
