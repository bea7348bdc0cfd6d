// It counts LENGTH products itself and then says done. Verilog-2001, names in capitals, falling edge of the clock.
module counted_mac #(
  parameter LENGTH = 12
) (
  input  wire        CLK,
  input  wire        RST_N,
  input  wire        VALID,
  input  wire [7:0]  DATA,
  input  wire [7:0]  COEF,
  output reg  [31:0] RESULT,
  output reg         DONE
);
  reg [7:0] count;
  reg [31:0] acc;
  wire signed [15:0] product = $signed(DATA) * $signed(COEF);
  wire [31:0] next = acc + {{16{product[15]}}, product};

  always @(negedge CLK or negedge RST_N) begin
    if (!RST_N) begin
      count <= 0;
      acc   <= 0;
      DONE  <= 1'b0;
    end else begin
      DONE <= 1'b0;
      if (VALID) begin
        count <= (count == LENGTH - 1) ? 0 : count + 1;
        acc   <= (count == LENGTH - 1) ? 0 : next;
        if (count == LENGTH - 1) begin
          RESULT <= next;
          DONE   <= 1'b1;
        end
      end
    end
  end
endmodule
