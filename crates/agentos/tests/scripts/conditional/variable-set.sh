x=; unset y
[[ -v x ]] && echo x; [[ -v y ]] || echo y
