[0004]                   Signature : "PPTT"
[0004]                Table Length : 000000A2
[0001]                    Revision : 01
[0001]                    Checksum : CB
[0006]                      Oem ID : "VGRAFT"
[0008]                Oem Table ID : "SAMPLE"
[0004]                Oem Revision : 04030201
[0004]             Asl Compiler ID : "VGFT"
[0004]       Asl Compiler Revision : 08070605

[0001]               Subtable Type : 01
[0001]                      Length : 18
[0002]                    Reserved : 0000
[0004]       Flags (decoded below) : 0000007F
                                  Size valid : 1
                        Number of Sets valid : 1
                         Associativity valid : 1
                       Allocation Type valid : 1
                            Cache Type valid : 1
                          Write Policy valid : 1
                             Line Size valid : 1
                              Cache ID valid : 0
[0004]         Next Level of Cache : 03020101
[0004]                        Size : 03020102
[0004]              Number of Sets : 03020103
[0001]               Associativity : 04
[0001]                  Attributes : 0A
                             Allocation Type : 2
                                  Cache Type : 2
                                Write Policy : 0
[0002]                   Line Size : 0105

[0001]               Subtable Type : 01
[0001]                      Length : 18
[0002]                    Reserved : 0000
[0004]       Flags (decoded below) : 0000007F
                                  Size valid : 1
                        Number of Sets valid : 1
                         Associativity valid : 1
                       Allocation Type valid : 1
                            Cache Type valid : 1
                          Write Policy valid : 1
                             Line Size valid : 1
                              Cache ID valid : 0
[0004]         Next Level of Cache : 00000024
[0004]                        Size : 03020101
[0004]              Number of Sets : 03020102
[0001]               Associativity : 03
[0001]                  Attributes : 15
                             Allocation Type : 1
                                  Cache Type : 1
                                Write Policy : 1
[0002]                   Line Size : 0104

[0001]               Subtable Type : 02
[0001]                      Length : 1E
[0002]                    Reserved : 0000
[0004]                   Vendor ID : 03020101
[0008]                   Level1 ID : 0706050403020102
[0008]                   Level2 ID : 0706050403020103
[0002]              Major revision : 0104
[0002]              Minor revision : 0105
[0002]               Spin revision : 0106

[0001]               Subtable Type : 00
[0001]                      Length : 18
[0002]                    Reserved : 0000
[0004]       Flags (decoded below) : 00000001
                            Physical package : 1
                     ACPI Processor ID valid : 0
                       Processor is a thread : 0
                              Node is a leaf : 0
                    Identical Implementation : 0
[0004]                      Parent : 00000000
[0004]           ACPI Processor ID : 00000000
[0004]     Private Resource Number : 00000001
[0004]            Private Resource : 00000054

[0001]               Subtable Type : 00
[0001]                      Length : 18
[0002]                    Reserved : 0000
[0004]       Flags (decoded below) : 00000002
                            Physical package : 0
                     ACPI Processor ID valid : 1
                       Processor is a thread : 0
                              Node is a leaf : 0
                    Identical Implementation : 0
[0004]                      Parent : 00000072
[0004]           ACPI Processor ID : 01020304
[0004]     Private Resource Number : 00000001
[0004]            Private Resource : 0000003C
