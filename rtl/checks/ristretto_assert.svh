// How the modules' own assertions (the files beside this one) are said, so that Verilator, Yosys
// (read_verilog -formal) and Icarus Verilog take them: an immediate assertion at the clock edge.
// Synthesis leaves them out. In Icarus an unknown bit fails as well. Those in the arithmetic and
// the memories slow a large array down: Verilator has them with RST_CHECKS_ALL.
//
//   RST_ASSERT(NAME, WHAT)         at each clock edge out of reset: clk_i and rst_ni of the module
//   RST_ASSERT_CLOCKED(NAME, WHAT) the same in a module without a reset
//   RST_ASSERT_ALWAYS(NAME, WHAT)  in a combinational module
//   RST_ASSUME...                  what the module's user owes: asserted, but assumed in its proof
//   RST_KNOWN(NAME, WHAT)          no bit is unknown out of reset
`ifndef RISTRETTO_ASSERT_SVH
`define RISTRETTO_ASSERT_SVH

`ifndef SYNTHESIS
  `define RST_CHECKS
  `ifndef VERILATOR
    `ifndef RST_CHECKS_ALL
      `define RST_CHECKS_ALL
    `endif
  `endif
`endif

`ifdef __ICARUS__
  `define RST_ASSERT(NAME, WHAT) \
    always @(posedge clk_i) begin : NAME \
      if (rst_ni && (WHAT) !== 1'b1) $fatal(1, "Assertion failed in %m"); \
    end
  `define RST_ASSERT_CLOCKED(NAME, WHAT) \
    always @(posedge clk_i) begin : NAME \
      if ((WHAT) === 1'b0) $fatal(1, "Assertion failed in %m"); \
    end
  `define RST_ASSERT_ALWAYS(NAME, WHAT)
  `define RST_KNOWN(NAME, WHAT) `RST_ASSERT(NAME, (^(WHAT)) !== 1'bx)
`else
  `define RST_ASSERT(NAME, WHAT) \
    always @(posedge clk_i or negedge rst_ni) begin \
      if (!rst_ni) begin \
      end else begin \
        NAME: assert (WHAT); \
      end \
    end
  `define RST_ASSERT_CLOCKED(NAME, WHAT) always @(posedge clk_i) NAME: assert (WHAT);
  `define RST_ASSERT_ALWAYS(NAME, WHAT) always_comb NAME: assert (WHAT);
  `define RST_KNOWN(NAME, WHAT)
`endif
`ifdef FORMAL
  `define RST_ASSUME(NAME, WHAT) \
    always @(posedge clk_i or negedge rst_ni) begin \
      if (!rst_ni) begin \
      end else begin \
        NAME: assume (WHAT); \
      end \
    end
  `define RST_ASSUME_CLOCKED(NAME, WHAT) always @(posedge clk_i) NAME: assume (WHAT);
`else
  `define RST_ASSUME(NAME, WHAT) `RST_ASSERT(NAME, WHAT)
  `define RST_ASSUME_CLOCKED(NAME, WHAT) `RST_ASSERT_CLOCKED(NAME, WHAT)
`endif

`endif
