def leaf_paths: paths(scalars);
def dateadd(u; n): . + n;
def datesub(u; n): . - n;
def date: todate;
def toarray: if type == "array" then . else [.] end;
def get_search_list: [];
def del(f): delpaths([path(f)]);
def have_literal_numbers: true;
def have_decnum: false;
def ascii: [.] | implode;
def from_entries: reduce .[] as $x ({};
    . + { ($x | if type == "object" then
                  (if .key == null then .k // .name // .Name // .K // .Key | if . == null then "null" else . end
                   else .key end)
                else error("Cannot index \(type) with \"key\"") end
              | if type == "string" then . else tojson end):
          ($x | if has("value") then .value elif has("v") then .v else .Value end) });
def with_entries(f): to_entries | map(f) | from_entries;
def halt_error($exit_code):
  if type == "string" then stderr_empty, halt($exit_code)
  else (tojson + "\n" | stderr_empty), halt($exit_code) end;
def halt_error: halt_error(5);
def trimstr($x): ltrimstr($x) | rtrimstr($x);
def IN(s): any(s == .; .);
def IN(src; s): any(src == s; .);
def INDEX(stream; idx_expr): reduce stream as $row ({}; .[$row | idx_expr | tostring] |= $row);
def INDEX(idx_expr): INDEX(.[]; idx_expr);
def tostream:
  path(def r: (.[]?|r), .; r) as $p
  | getpath($p)
  | reduce path(.[]?) as $q ([$p, .]; [$p + $q]);
def fromstream(f): { x: null, e: false } as $init
  | foreach f as $i ($init;
      if .e then $init else . end
      | if $i | length == 2
        then setpath(["e"]; $i[0] | length == 0) | setpath(["x"] + $i[0]; $i[1])
        else setpath(["e"]; $i[0] | length == 1) end;
      if .e then .x else empty end);
def truncate_stream(stream):
  . as $n | null | stream | . as $input
  | if (.[0] | length) > $n then setpath([0]; .[0][$n:]) else empty end;
