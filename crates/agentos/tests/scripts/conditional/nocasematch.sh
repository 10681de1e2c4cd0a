shopt -s nocasematch; [[ ABC == abc ]] && echo eq; case HeLLo in hello) echo case;; esac; shopt -u nocasematch; [[ ABC == abc ]] || echo ne
