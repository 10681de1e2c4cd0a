touch f; mkdir d; ln -s f l; ln -s none broken; : > empty; echo x > full; chmod +x full
for t in f d l broken none; do printf '%s:' $t; for o in e f d L h; do [ -$o $t ] && printf ' %s' $o; done; echo; done
[[ -s full ]] && echo s; [[ -s empty ]] || echo 0; [[ -x full ]] && echo x; [[ -r f && -w f ]] && echo rw
