v=$'tab\there'
echo "${v@Q}"
x='a"b$c'
echo "${x@Q}" "${x@U}" "${x@L}" "${x@u}"
t='\n|\t'; echo "${t@E}"
