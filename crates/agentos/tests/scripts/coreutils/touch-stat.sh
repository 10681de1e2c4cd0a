touch -d '2020-05-06 07:08:09' f; stat -c '%Y %s %F' f; touch -r f g; stat -c %y g | cut -c1-19; touch -c none; ls none; echo $?; date -u -r f +%F; touch -t 202101020304.05 f; date -u -r f '+%F %T'
