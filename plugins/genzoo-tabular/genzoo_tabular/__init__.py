"""Models of tables for genzoo: `copula` joins marginals of any shape by a normal distribution."""
