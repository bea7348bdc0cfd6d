// A multiply-accumulate unit as many designs have it: one product a cycle, an enable, a clear that begins a new sum. Verilog-2001.
// FAULT plants a mistake, to see it caught: 1 the square of the most negative number; 2 the enable is not looked at;
// 3 another register behind the product; 4 the product of 5 and 3.
module serial_mac #(
  parameter WIDTH = 8,
  parameter ACC_WIDTH = 32,
  parameter FAULT = 0
) (
  input  wire                        clock,
  input  wire                        reset,   // synchronous, active high
  input  wire                        en,
  input  wire                        clear,   // with the first product of a sum
  input  wire signed [WIDTH-1:0]     x,
  input  wire signed [WIDTH-1:0]     y,
  output reg  signed [ACC_WIDTH-1:0] acc
);
  wire signed [2*WIDTH-1:0] exact = x * y;
  wire signed [2*WIDTH-1:0] least = {1'b1, {(2*WIDTH-1){1'b0}}};
  wire signed [2*WIDTH-1:0] square = least >>> 1;  // of the wrong sign
  wire worst = x == {1'b1, {(WIDTH-1){1'b0}}} && y == x;

  reg signed [2*WIDTH-1:0] product;
  reg signed [2*WIDTH-1:0] product_2;
  reg en_1, clear_1, en_2, clear_2;
  wire signed [2*WIDTH-1:0] addend = (FAULT == 3) ? product_2 : product;
  wire go    = (FAULT == 3) ? en_2 : en_1;
  wire fresh = (FAULT == 3) ? clear_2 : clear_1;

  always @(posedge clock) begin
    if (reset) begin
      acc     <= 0;
      en_1    <= 1'b0;
      en_2    <= 1'b0;
      clear_1 <= 1'b0;
      clear_2 <= 1'b0;
    end else begin
      en_1    <= en;
      en_2    <= en_1;
      clear_1 <= clear;
      clear_2 <= clear_1;
      product <= (FAULT == 1 && worst) ? square : (FAULT == 4 && x == 5 && y == 3) ? 16 : exact;
      product_2 <= product;
      if (go || FAULT == 2) acc <= fresh ? addend : acc + addend;
    end
  end
endmodule
