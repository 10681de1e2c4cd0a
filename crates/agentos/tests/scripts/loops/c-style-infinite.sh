for ((;;)); do ((++n > 3)) && break; echo $n; done
