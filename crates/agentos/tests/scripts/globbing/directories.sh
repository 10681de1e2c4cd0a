mkdir d1 d2; touch f d1/x d2/y; echo */ */* d?/x
