echo {a,'b c',"d,e"} {a\,b} \{a,b} '{a,b}' {a,b
