touch -d '2020-01-01' old; touch -d '2021-01-01' new; ln old same
[[ new -nt old ]] && echo nt; [[ old -ot new ]] && echo ot; [[ old -ef same ]] && echo ef; [[ new -nt none ]] && echo ntnone
